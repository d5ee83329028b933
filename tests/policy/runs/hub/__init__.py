"""The Hub, and a stand-in for it on this machine."""
