#!/usr/bin/env node
import process from "node:process";
import { load } from "./load.js";

await load("main.js").main(process.argv.slice(2), import.meta.url);
