"""Settings and every path. The only place that knows where something lies."""
