"use strict";

/** The table: a row for each net, or for each run, sorted and filtered by DataTables. */
const table = (() => {
  const { columns, nets, runs } = page.data("table");
  const names = columns.map(({ name }) => name);
  const shown = columns.filter((column) => column.is_shown).map(({ name }) => name);
  const choice = document.getElementById("rows");
  let current = null;
  let remembered = "";

  /** How DataTables shows a column: numbers as text, but sorted and filtered as numbers. */
  function definition({ name, digits, is_number }, index) {
    return {
      name,
      type: is_number ? "num" : "string",
      className: is_number ? "number" : "text",
      data: (row, kind) => {
        const value = row.cells[index];
        if (kind !== "display") return value ?? "";
        if (name === "model") return netButton(row);
        if (row.text && name in row.text) return withSmall(row.text[name]);
        return text(is_number ? page.text(value, digits) : value);
      },
    };
  }

  function text(value) {
    return page.element("span", {}, String(value ?? ""));
  }

  /** A text whose interval and marks are small: 0.857 ± 0.007 (at chance). */
  function withSmall(shownText) {
    const [number, ...others] = shownText.split(/ (?=[±†‡(])/);
    const cell = text(number);
    if (others.length > 0) cell.append(page.element("small", {}, ` ${others.join(" ")}`));
    return cell;
  }

  /** The name of a net as a button, since a row cannot be reached by keyboard. */
  function netButton(row) {
    const mark = page.element("small", {}, row.mark ? ` ${row.mark}` : "");
    return page.element("button", { type: "button", className: "net" }, row.label, mark);
  }

  /** Puts what the reader did to the table into the state. */
  function remember(saved) {
    const visible = names.filter((_, i) => saved.columns[i].visible);
    const conditions = names.map((name, i) => {
      const { logic, type, value } = saved.columnControl?.[i]?.searchInput || {};
      const isSet = value || ["empty", "notEmpty"].includes(logic);
      return [`where.${name}`, isSet ? [logic, type, value].join(":") : ""];
    });
    const changes = {
      order: saved.order.map(([column, way]) => (way === "desc" ? "-" : "") + column).join(","),
      filter: saved.search.search,
      columns: visible.join() === shown.join() ? "" : visible.join(),
      ...Object.fromEntries(conditions),
    };
    remembered = signature(changes);
    state.set(changes);
  }

  /** What DataTables saved, made from the state. */
  function recall() {
    const columnControl = {};
    names.forEach((name, i) => {
      const [logic, type, ...value] = state.get(`where.${name}`).split(":");
      if (logic) columnControl[i] = { searchInput: { logic, type, value: value.join(":") } };
    });
    const order = state.get("order").split(",").filter((term) => names.includes(bare(term)));
    const visible = state.get("columns") ? state.get("columns").split(",") : shown;
    return {
      time: Date.now(),
      start: 0,
      length: -1,
      order: order.map((term) => [bare(term), term === bare(term) ? "asc" : "desc"]),
      search: { search: state.get("filter"), smart: true, regex: false, caseInsensitive: true },
      columns: names.map((name) => ({ visible: visible.includes(name), search: { search: "" } })),
      columnControl,
    };
  }

  function bare(term) {
    return term.replace(/^-/, "");
  }

  function signature(values) {
    return JSON.stringify(watched.map((name) => values[name] || ""));
  }

  function draw() {
    if (current) current.clear().destroy();
    current = new DataTable("#nets", {
      data: state.get("rows") === "runs" ? runs : nets,
      columns: columns.map(definition),
      columnControl: ["searchDropdown"],
      order: [],
      paging: false,
      info: false,
      autoWidth: false,
      stateSave: true,
      stateDuration: 0,
      stateSaveCallback: (_, saved) => remember(saved),
      stateLoadCallback: recall,
      createdRow: (row, { label, status }) => {
        row.dataset.label = label;
        row.classList.toggle("failed", status !== "ok");
      },
      drawCallback: stress,
      language: { search: "Filter", emptyTable: "No runs", zeroRecords: "No row fits the filters" },
      layout: {
        topStart: {
          buttons: [
            { extend: "colvis", text: "Columns", background: false, fade: 0 },
            { extend: "csv", text: "CSV", filename: document.title, exportOptions: exported },
          ],
        },
        topEnd: "search",
        bottomStart: null,
        bottomEnd: null,
      },
    });
  }

  const exported = {
    columns: ":visible",
    orthogonal: "export",
    format: {
      header: (_, index) => names[current.columns(":visible").indexes()[index]],
      body: (value) => value, // as it is: a name may look like HTML
    },
  };

  /** Marks the row of the focused net. */
  function stress() {
    for (const row of document.querySelectorAll("#nets tbody tr[data-label]")) {
      row.classList.toggle("faded", focus.isFaded(row.dataset.label));
      row.classList.toggle("focused", row.dataset.label === state.get("focus"));
    }
  }

  const watched = ["order", "filter", "columns", ...names.map((name) => `where.${name}`)];
  document.getElementById("nets").addEventListener("click", ({ target }) => {
    const row = target.closest("tbody tr[data-label]");
    if (row) focus.toggle(row.dataset.label);
  });
  choice.addEventListener("change", ({ target }) => state.set({ rows: target.value }));
  state.watch("rows", (rows) => {
    choice.querySelector(`[value="${rows === "runs" ? "runs" : ""}"]`).checked = true;
    draw();
  });
  for (const name of watched) {
    state.watch(name, () => {
      const values = Object.fromEntries(watched.map((each) => [each, state.get(each)]));
      if (signature(values) !== remembered) draw();
    });
  }
  state.watch("focus", stress);

  return { draw };
})();
