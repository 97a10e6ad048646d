"""What the operator can tell the node to do; `node.cli` names each command.

`running` opens the node for a command, `showing` prints; the other modules hold the commands by what they are about.
"""
