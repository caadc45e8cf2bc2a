"""Ways to break the core: name, file, the text there, and what takes its place.

`IS` in the new text asks whether this mutation is the one. Several may stand in one line: each is put in
after those before it, so its text must be there once by then.
"""

from . import answers, first, keeping, needs_review, reversals, sales

MUTATIONS = (first.MUTATIONS + answers.MUTATIONS + sales.MUTATIONS + reversals.MUTATIONS + keeping.MUTATIONS
             + needs_review.MUTATIONS)

# Those that are the original in other words, and why no history distinguishes them from it.
EQUAL = {
    "any row under its name is a creation that was kept":
        "an engine is its journal's one writer and has looked for the name before: what stands under it is of this step",
}
