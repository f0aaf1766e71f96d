"""The animatic: a campaign as one film, or as one sheet of posters, from the clips that exist and simulated ones."""
