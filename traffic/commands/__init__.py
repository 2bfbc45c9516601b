"""The commands of ``xanh``, one file per group; ``traffic.cli`` puts them together."""
