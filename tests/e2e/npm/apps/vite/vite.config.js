import { defineConfig } from "vite";

// The same app with React 18: `vite build --mode react-18`.
export default defineConfig(({ mode }) => ({
  build: { outDir: `dist/${mode}`, reportCompressedSize: false },
  resolve: {
    alias:
      mode === "react-18"
        ? [
            { find: /^react-dom(?=\/|$)/, replacement: "react-dom-18" },
            { find: /^react(?=\/|$)/, replacement: "react-18" },
          ]
        : [],
  },
}));
