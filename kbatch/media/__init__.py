"""What a clip's file holds: MP4 boxes, frames, posters."""
