"""The drilldown as a person reads it in a terminal: each module looks at one object, and decides nothing."""
