"""Claims for refunds: which purchases are meant, how they are recorded, and the folder of evidence."""
