document.body.append(document.getElementById("report").textContent.slice(0, 100));
