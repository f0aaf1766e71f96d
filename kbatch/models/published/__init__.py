"""What the providers' public lists say of prices, held against the cards."""
