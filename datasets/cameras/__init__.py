"""Real cameras and robots: what they send, recorded into a store; what a task's cameras see."""
