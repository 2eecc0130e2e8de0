//! What the project does to itself: test, tidy, codegen, tools, demo, bench
