"""Descriptions of clusters, history, activity and live status."""
