// What the pages do beyond htmx.
