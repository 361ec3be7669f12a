"""What a search aims at: least cost, most goodput, most attainment, and the trade between them."""
