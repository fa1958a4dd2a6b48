// Set the colour theme before the first paint: the reader's choice, else the system's.
"use strict";
{
  const chosen = localStorage.getItem("colours");
  if (chosen) document.documentElement.dataset.theme = chosen;
}
