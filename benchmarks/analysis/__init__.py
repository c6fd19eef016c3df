"""What may be concluded from records and predictions: intervals, places, claims."""
