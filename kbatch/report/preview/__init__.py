"""The campaign before it is bought: one film, or a contact sheet, of real and simulated clips."""
