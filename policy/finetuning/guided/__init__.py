"""Learning from every decision ever made, guided by critics over chunks."""
