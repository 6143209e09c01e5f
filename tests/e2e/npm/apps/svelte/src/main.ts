import { mount } from "svelte";
import Uploads from "./Uploads.svelte";

mount(Uploads, { target: document.getElementById("root")! });
