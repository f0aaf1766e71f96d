"""The simulator's clips: real MP4 files that show the prompt."""
