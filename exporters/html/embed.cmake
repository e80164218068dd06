# cmake -DOUT=FILE -DPAGE=page.html -P embed.cmake: writes the C++ source behind exporters/html/page.h.
cmake_minimum_required(VERSION 3.25)
file(READ ${PAGE} text)
file(WRITE ${OUT} "#include \"exporters/html/page.h\"

namespace netpoll::exporters {

std::string_view html_page() {
  return R\"__HTML__(${text})__HTML__\";
}

}  // namespace netpoll::exporters
")
