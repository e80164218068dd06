// The program around fake_runtime as a shared library: it does not contain the debug ABI itself.
extern "C++" int fake_main(int argc, char** argv);

int main(int argc, char** argv) { return fake_main(argc, argv); }
