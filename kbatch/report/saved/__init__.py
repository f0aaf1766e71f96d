"""A saved plan as a page for its approver, from its own words."""
