"""The endpoints of both APIs, as their documents describe them."""
