"""What a store holds, in numbers and pictures: cards, pages, plots."""
