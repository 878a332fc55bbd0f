"""A stand-in for moonshine-voice where its weights would be needed: the parts of its Python API that hal0 uses.

Put its folder on PYTHONPATH of a slot. What it "hears" tells what it was given: the length of the sound.
"""
