"""What stands between a word and a number: the end of a sentence parts them, "is" and ":" join them."""

import re

BREAK = re.compile(r"[.!?](?=\s)|[\n。।؟።]|\|")
# What joins "code" to the number after it, and the number to the "code" after it, in many languages.
LINK = re.compile(
    r"(?:[:=>#\[(\"'«»「『【-]"
    r"|\b(?:is|are|es|est|ist|lautet|zijn|sind|son|sono|sao|sont|sunt|ar|er|je|to|este|da|yra|ir|on|ni|ce|waa|adalah|ialah|la|ay|na|eh|e"
    r"|είναι|это|е|є|է|არის|הוא|هو|هی|است|هے)"
    r"|है|আছে|என்பது|คือ|ແມ່ນ|គឺ|မှာ|是|为|為|は|는|은)"
    r"(?: (?:the|le|la|el|il|o|de|the code|number|no))?[\s:\"'\[(«「【*<>#-]*$"
)
LINK_AFTER = re.compile(
    r"[\s\])}\"'»」】*.:,-]*"
    r"(?:(?:is|es|est|ist|e|to|er|ar|je|este|on|yra|adalah|ialah|la|ni|ay|ir) "
    r"|هو|است|है|คือ|是|为|為|は|が|이|는|είναι|это|-)"
)
