"""The journal on disk: appends events durably, reads them back, rotates them into the history."""
