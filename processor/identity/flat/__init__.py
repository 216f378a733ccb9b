"""What flat matching is made of: evidence, limits, merges, what a profile learns.

The algorithm itself is ``strategies.flat_matching``; another strategy that merges can use them too.
"""
