# The command line where nothing looks into the kernel: Windows, macOS and FreeBSD. A file of each system's, or of POSIX's,
# for each question that they answer in ways of their own.
set(probes ${PROJECT_SOURCE_DIR}/probes)
if(WIN32)
  set(system
    ${probes}/goroutines/libruntime/debug_root_images.cc
    ${probes}/goroutines/libruntime/debug_root_pe.cc
    ${probes}/process/mappings_windows.cc
    ${probes}/process/memory_windows.cc
    ${probes}/process/program_windows.cc
    ${probes}/process/windows_process.cc
    ${probes}/ptrace/thread_stop_absent.cc
    system/host_windows.cc
    system/input_file_windows.cc
    system/interrupt_windows.cc
    system/screen_windows.cc
    run/worker_process_windows.cc
  )
elseif(APPLE)
  set(system
    ${probes}/goroutines/libruntime/debug_root_images.cc
    ${probes}/goroutines/libruntime/debug_root_macho.cc
    ${probes}/process/mappings_macos.cc
    ${probes}/process/memory_macos.cc
    ${probes}/process/program_macos.cc
    ${probes}/ptrace/thread_stop_absent.cc
  )
else()
  set(system
    ${probes}/goroutines/libruntime/debug_root_elf.cc
    ${probes}/process/elf/elf_notes.cc
    ${probes}/process/freebsd_process.cc
    ${probes}/process/mappings_freebsd.cc
    ${probes}/process/memory_freebsd.cc
    ${probes}/process/program_freebsd.cc
    ${probes}/process/vm_entries.cc
    ${probes}/ptrace/thread_stop_freebsd.cc
  )
endif()
if(NOT WIN32)
  list(APPEND system
    system/host_posix.cc
    system/input_file_posix.cc
    system/interrupt.cc
    system/screen_posix.cc
    run/worker_process_posix.cc
  )
endif()
add_library(netpoll_cli STATIC
  ${system}
  # the program and its command line
  backends_untraced.cc
  commands.cc
  commands_untraced.cc
  config.cc
  emit.cc
  flags.cc
  hidden_commands_untraced.cc
  log.cc
  options.cc
  spell.cc
  units.cc
  version.cc
  help/help.cc
  help/manual.cc
  help/schemas.cc
  system/pager_absent.cc
  # one file a subcommand
  commands/compare.cc
  commands/doctor_untraced.cc
  commands/gen_config.cc
  commands/help.cc
  commands/run.cc
  commands/snapshot_untraced.cc
  # what they measure and show
  ${NETPOLL_COMPARE_SOURCES}
  compare/large_document_absent.cc
  run/crew_untraced.cc
  run/matrix.cc
  run/runner.cc
  snapshot/looks.cc
  snapshot/view_flags.cc
  # results as JSON
  documents/compare.cc
  documents/counts_json.cc
  documents/doctor.cc
  documents/envelope.cc
  documents/goroutine_filter.cc
  documents/goroutine_flags.cc
  documents/goroutine_groups.cc
  documents/matrix.cc
  documents/run.cc
  documents/snapshot.cc
  documents/snapshot_diff.cc
  ${CMAKE_CURRENT_BINARY_DIR}/schema_files.cc
  # the goroutines of another process, of libruntime alone
  ${probes}/goroutines/endpoints.cc
  ${probes}/goroutines/libruntime/goroutine_reader.cc
  ${probes}/goroutines/libruntime/reader.cc
  ${probes}/goroutines/libruntime/record_table.cc
  ${probes}/goroutines/libruntime/runtime_finder.cc
  ${probes}/goroutines/libruntime/runtime_view.cc
  ${probes}/goroutines/libruntime/stack_reader.cc
  ${probes}/goroutines/reader_rows_untraced.cc
  ${probes}/goroutines/readers.cc
  ${probes}/goroutines/target_info_untraced.cc
  ${probes}/process/live_subject_untraced.cc
  ${probes}/process/mappings.cc
  ${probes}/process/memory.cc
  # the names of what is counted
  ${probes}/backend_names.cc
  ${probes}/counts.cc
  ${probes}/syscall_numbers.cc
)
# In a unity build (the presets for Zig) their names meet those of others.
set_source_files_properties(commands/compare.cc commands/doctor_untraced.cc commands/gen_config.cc commands/help.cc
                            commands/run.cc compare/budget.cc documents/matrix.cc run/runner.cc
                            PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
netpoll_target_options(netpoll_cli)
target_include_directories(netpoll_cli PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
target_link_libraries(netpoll_cli PUBLIC netpoll::exporters netpoll::workload PRIVATE netpoll::symbols CLI11::CLI11)
if(WIN32)
  target_link_libraries(netpoll_cli PRIVATE shell32)
endif()
set_property(SOURCE version.cc PROPERTY COMPILE_DEFINITIONS NETPOLL_VERSION="${PROJECT_VERSION}")

add_executable(netpoll-trace main.cc)
netpoll_target_options(netpoll-trace)
target_link_libraries(netpoll-trace PRIVATE netpoll_cli)
