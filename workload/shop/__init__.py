"""credit-shop: an e-commerce site whose cart is seen in the database, a customer of the credit services.

Optional: nothing else depends on it. Its visitors are simulated over HTTP (`shoppers`), or real.
"""
