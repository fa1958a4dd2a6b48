// Before the first paint: the colours that the reader chose, if any; else the system's.
"use strict";
{
  const chosen = localStorage.getItem("colours");
  if (chosen) document.documentElement.dataset.theme = chosen;
}
