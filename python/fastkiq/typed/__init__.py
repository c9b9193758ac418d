"""Arguments of other kinds than JSON's: what `perform` is annotated with is plain JSON on its way.

`hints` looks at annotations, cheaply when a class is defined and thoroughly at its first use; `build` makes a converter
of one; a `Plan` has those of a whole signature.
"""
