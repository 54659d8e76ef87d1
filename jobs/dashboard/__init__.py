"""The live dashboard: finished runs, and runs that go on, in a browser on this machine."""
