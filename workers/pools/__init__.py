"""Where evaluations run: in this process, on a simulated clock, on Ray."""
