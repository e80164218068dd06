// How the assemblers of ELF and of Mach-O are told of a function that only this library sees. For the others to include.
#if defined(__APPLE__)

.macro HOT_CODE
    .section __TEXT,__text,regular,pure_instructions
.endm

.macro FUNCTION name
    .globl  _\name
    .private_extern _\name
    .p2align 4
_\name:
    .cfi_startproc
.endm

.macro END_FUNCTION name
    .cfi_endproc
.endm

.macro END_OF_CODE
.endm

#else

.macro HOT_CODE
    .section .text.hot, "ax", %progbits
.endm

.macro FUNCTION name
    .globl  \name
    .hidden \name
    .type   \name, %function
    .p2align 4
\name:
    .cfi_startproc
.endm

.macro END_FUNCTION name
    .cfi_endproc
    .size   \name, .-\name
.endm

// The stack need not be executable.
.macro END_OF_CODE
    .section .note.GNU-stack, "", %progbits
.endm

#endif
