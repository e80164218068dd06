# cmake -DOUT=FILE -DSCHEMAS=a.json;b.json -P embed.cmake: writes the C++ source behind cli/help/schema_files.h.
cmake_minimum_required(VERSION 3.25)
set(rows "")
foreach(file IN LISTS SCHEMAS)
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} text)
  string(APPEND rows "    {\"${name}\", R\"__JSON__(${text})__JSON__\"},\n")
endforeach()
file(WRITE ${OUT} "#include \"cli/help/schema_files.h\"

namespace netpoll::cli {
namespace {

constexpr SchemaFile kFiles[] = {
${rows}};

}  // namespace

std::span<const SchemaFile> schema_files() { return kFiles; }

}  // namespace netpoll::cli
")
