"""One call from a sample to a result that says what it is of: what ``medtl-meta stats`` prints.

The numbers come from :mod:`metaanalysis.stats`; here the sample is brought to its scale, the model
chosen, and what was left out, assumed and warned of put beside the result, with one sentence in
plain words.
"""
