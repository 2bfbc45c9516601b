"""Settings of the service, from the environment: ``XANH_`` and the name in capitals.

Each one is described in docs/settings.md; a test compares the two.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.errors import BadInput
from traffic.law import DEFAULT_LAW

PREFIX = "XANH_"


class Settings(BaseSettings):
    """Everything that an installation may choose."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    site: Path = Path("sites/pho-hue")
    data_dir: Path = Path("out/xanh")
    database_url: str = ""
    evidence_dir: Path | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 8000
    language: Literal["vi", "en"] = "vi"
    secure_cookies: bool = False
    session_hours: Annotated[float, Field(gt=0, le=24 * 31)] = 12.0
    sign_in_attempts: Annotated[int, Field(ge=1, le=1000)] = 5
    sign_in_window_s: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    law_file: Path = DEFAULT_LAW
    weights: Annotated[str, Field(min_length=1)] = "street"
    inference: Literal["openvino", "onnxruntime"] = "openvino"
    validation_pairs: Annotated[int, Field(ge=2, le=1000)] = 20
    simulation_workers: Annotated[int, Field(ge=1, le=512)] = 2
    watch_interval_s: Annotated[float, Field(gt=0, le=3600)] = 10.0

    @property
    def store_url(self) -> str:
        """The database's URL: the one set, or SQLite in the data folder."""
        return self.database_url or f"sqlite:///{self.data_dir / 'xanh.db'}"

    @property
    def evidence_path(self) -> Path:
        """The evidence folder: the one set, or one in the data folder."""
        return self.evidence_dir or self.data_dir / "evidence"


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        BadInput: Naming the variable and what would be valid.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        variable = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        message = first["msg"][:1].lower() + first["msg"][1:]
        shown = os.environ.get(variable, "")
        raise BadInput(variable, "", f"{shown!r}; {message} (docs/settings.md)") from None
