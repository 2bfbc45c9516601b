"""Measures of cameras are kept by interval, with what has no value left out."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from detection.measures import ALL, APPROACH, COLUMNS, MeasureRow
from traffic.measure_records import (
    add_measures,
    latest_measures,
    stored_measures,
    stored_measures_to_csv,
)
from traffic.store import Store

START = datetime(2026, 11, 22, 7, tzinfo=UTC)
MOVEMENT = MeasureRow(
    junction="J",
    movement="J:a>b",
    vehicle_class="car",
    start=START,
    end=START + timedelta(minutes=15),
    coverage=0.5,
    count=12,
    count_low=11.0,
    count_high=40.5,
    flow_vph=96.0,
    flow_pcu_ph=96.0,
    headway_s=30.25,
)
WHOLE = replace(
    MOVEMENT,
    movement=APPROACH,
    vehicle_class=ALL,
    coverage=0.0,
    count=0,
    count_low=0.0,
    count_high=math.inf,
    flow_vph=None,
    flow_pcu_ph=None,
    headway_s=None,
    queue_max_veh=3,
    occupancy=0.25,
)


@pytest.fixture
def store(tmp_path):
    opened = Store.at(tmp_path)
    yield opened
    opened.close()


def test_rows_come_back_as_they_were(store):
    add_measures(store, "s", [MOVEMENT, WHOLE], camera="cam", calibration="4")
    found = stored_measures(store, "s", camera="cam")
    assert [item.row for item in found] == [WHOLE, MOVEMENT]
    assert {item.calibration for item in found} == {"4"}
    assert stored_measures(store, "s", junction="other") == ()
    assert stored_measures(store, "other") == ()


def test_a_running_interval_replaces_itself(store):
    add_measures(store, "s", [MOVEMENT], camera="cam", calibration="4")
    grown = replace(MOVEMENT, count=20, end=MOVEMENT.end + timedelta(minutes=1))
    add_measures(store, "s", [grown], camera="cam", calibration="4")
    add_measures(store, "s", [MOVEMENT], camera="another", calibration="")
    assert [item.row for item in stored_measures(store, "s", camera="cam")] == [grown]
    assert len(stored_measures(store, "s")) == 2


def test_the_newest_interval_is_told_of_one_camera(store):
    assert latest_measures(store, "s", "cam") == ()
    later = replace(MOVEMENT, start=MOVEMENT.end, end=MOVEMENT.end + timedelta(minutes=15))
    add_measures(store, "s", [MOVEMENT, later], camera="cam", calibration="4")
    newest = replace(later, start=later.end, end=later.end + timedelta(minutes=15))
    add_measures(store, "s", [newest], camera="another", calibration="4")
    assert [item.row for item in latest_measures(store, "s", "cam")] == [later]
    within = stored_measures(store, "s", begin=START, end=MOVEMENT.end)
    assert [item.row for item in within] == [MOVEMENT]


def test_the_file_says_of_which_camera_and_calibration_each_row_is(store):
    add_measures(store, "s", [WHOLE], camera="cam", calibration="4")
    (row,) = csv.DictReader(io.StringIO(stored_measures_to_csv(stored_measures(store, "s"))))
    assert tuple(row) == ("camera", "calibration", *COLUMNS)
    assert (row["camera"], row["calibration"], row["count_high"]) == ("cam", "4", "inf")
    assert (row["flow_vph"], row["occupancy"]) == ("", "0.25")
