# cmake -DOUT=FILE -DFOLDER=exporters/html -P embed.cmake: writes the C++ source behind exporters/html/page.h: the pages
# trace.html and document.html with what they share, head.html, style.css and common.js.
cmake_minimum_required(VERSION 3.25)
file(READ ${FOLDER}/head.html head)
file(READ ${FOLDER}/style.css style)
file(READ ${FOLDER}/common.js common)
set(functions "")
foreach(page trace document)
  file(READ ${FOLDER}/${page}.html text)
  string(REPLACE "@HEAD@" "${head}" text "${text}")
  string(REPLACE "@STYLE@" "${style}" text "${text}")
  string(REPLACE "@COMMON@" "${common}" text "${text}")
  string(APPEND functions "
std::string_view html_${page}_page() {
  return R\"__HTML__(${text})__HTML__\";
}
")
endforeach()
file(WRITE ${OUT} "#include \"exporters/html/page.h\"

namespace netpoll::exporters {
${functions}
}  // namespace netpoll::exporters
")
