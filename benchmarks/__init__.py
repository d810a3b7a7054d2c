"""How fast linnet is: ratios against peers, measured in one run; see README.md beside this file."""
