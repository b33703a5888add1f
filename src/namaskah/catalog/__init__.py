"""What is sold and for how much: services, countries, prices and plans.

The figures a new installation starts with are CSV files in `data/`, read by `read_data.py`.
"""
