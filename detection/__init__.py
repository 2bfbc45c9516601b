"""Frames to tracks, counts and violations. Never drives a signal."""
