"""What a store holds, told and shown: cards, pages, plots."""
