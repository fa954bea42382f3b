// Shows the source and the result side by side with NiiVue; where that cannot be, says why and leaves the pictures.
(async () => {
  const box = document.getElementById("viewer");
  const settings = JSON.parse(document.getElementById("viewer-settings").textContent);
  const bytes = id => Uint8Array.from(atob(document.getElementById(id).textContent.trim()), letter => letter.charCodeAt(0));
  const views = [];
  box.dataset.state = "starting";

  function stop(reason) {
    document.getElementById("viewer-reason").textContent = reason;
    box.dataset.state = "failed";
  }

  async function library() {
    const unpacked = new Blob([bytes("niivue")]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(unpacked).text();
    document.head.append(script);
    if (!window.niivue) throw new Error("The viewer in this page could not be started.");
    return window.niivue;
  }

  async function view({ SLICE_TYPE, SHOW_RENDER, MULTIPLANAR_TYPE, LabelAnchorPoint, Niivue, NVImage }, shown) {
    const one = new Niivue({
      backColor: [0, 0, 0, 1], crosshairColor: [0.95, 0.75, 0.2, 0.9], crosshairWidth: 0.8, crosshairWidthUnit: "mm", fontColor: [0.8, 0.84, 0.88, 1],
      isRadiologicalConvention: true, sagittalNoseLeft: true, isOrientationTextVisible: settings.sided,
      multiplanarShowRender: SHOW_RENDER.NEVER, multiplanarLayout: MULTIPLANAR_TYPE.GRID, multiplanarPadPixels: 4,
      dragAndDropEnabled: false, viewModeHotKey: "", clipPlaneHotKey: "", cycleClipPlaneHotKey: "",
      isColorbar: false, isNearestInterpolation: false, logLevel: "error", loadingText: "",
      sliceType: settings.flat ? SLICE_TYPE.AXIAL : SLICE_TYPE.MULTIPLANAR,
    });
    one.onLocationChange = place => {
      for (const other of views) {  // each says what is at the place that either was moved to
        const values = other.volumes.map((volume, index) => {
          const [x, y, z] = volume.mm2vox(Array.from(place.mm).slice(0, 3));
          return (index ? "uncertainty " : "") + Number(volume.getValue(x, y, z).toPrecision(3));
        });
        other.canvas.closest("figure").querySelector("output").textContent = values.join("  ");
      }
      const mm = Array.from(place.mm).slice(0, 3).map(edge => edge.toFixed(1)).join(", ");
      document.getElementById("viewer-place").textContent = settings.sided ? `right, front, up: ${mm} mm` : "";
    };
    await one.attachTo(shown.canvas);
    for (const volume of shown.volumes) {
      const { id, ...how } = volume;
      one.addVolume(await NVImage.new(bytes(id).buffer, `${id}.nii.gz`, how.colormap, how.opacity, null, how.low, how.high));
    }
    if (shown.mark) {
      const style = { textColor: [1, 1, 1, 1], textScale: 0.9, backgroundColor: [0, 0, 0, 0.6] };
      one.addLabel(shown.mark, style, undefined, LabelAnchorPoint.BOTTOMCENTER);
    }
    views.push(one);
  }

  try {
    if (!document.createElement("canvas").getContext("webgl2")) return stop("This browser has no WebGL 2.");
    if (!window.DecompressionStream) return stop("This browser is too old for the viewer.");
    const parts = await library();
    for (const shown of settings.views) await view(parts, shown);
    views[0].broadcastTo([views[1]], { "2d": true, "3d": false, zoomPan: true });
    views[1].broadcastTo([views[0]], { "2d": true, "3d": false, zoomPan: true });
    const windows = views.map(one => one.volumes.map(volume => [volume.cal_min, volume.cal_max]));
    const types = { planes: "MULTIPLANAR", axial: "AXIAL", coronal: "CORONAL", sagittal: "SAGITTAL" };
    for (const button of box.querySelectorAll("button[data-show]")) {
      button.addEventListener("click", () => {
        for (const other of box.querySelectorAll("button[data-show]")) other.ariaPressed = String(other === button);
        for (const one of views) one.setSliceType(parts.SLICE_TYPE[types[button.dataset.show]]);
      });
    }
    box.querySelector("button[data-reset]").addEventListener("click", () => {
      views.forEach((one, index) => {
        one.volumes.forEach((volume, place) => { [volume.cal_min, volume.cal_max] = windows[index][place]; });
        one.scene.pan2Dxyzmm = [0, 0, 0, 1];
        one.scene.crosshairPos = [0.5, 0.5, 0.5];
        one.updateGLVolume();
      });
    });
    const spread = document.getElementById("viewer-uncertainty");
    if (spread) spread.addEventListener("input", () => views[1].setOpacity(1, Number(spread.value) / 100));
    views[0].createOnLocationChange();
    for (const one of views) one.drawScene();  // with its label, which adding it does not draw
    box.dataset.state = "ready";
    window.viewers = views;
  } catch (error) {
    stop(error.message);
  }
})();
