"""credit-shop: an e-commerce site with its cart in the database; it uses the credit services.

Optional: nothing else depends on it. Its visitors are simulated over HTTP (`shoppers`), or real.
"""
