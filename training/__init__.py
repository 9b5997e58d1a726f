"""The only room that trains: data by licence, packs, one loop, recipes, export and model cards."""
