// Frame layout of a suspended flow: see Frame in context_aarch64.cc. Callee-saved by AAPCS64: x19-x29, sp, d8-d15; x30
// is where to continue. fpcr holds control bits alone; the exceptions that happened are in fpsr, which belongs to nobody.

#include "libruntime/context/context_function.S"

.macro SAVE_CALLEE_SAVED
    sub     sp, sp, #176
    .cfi_adjust_cfa_offset 176
    stp     x19, x20, [sp, #0]
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
    stp     d8, d9, [sp, #96]
    stp     d10, d11, [sp, #112]
    stp     d12, d13, [sp, #128]
    stp     d14, d15, [sp, #144]
.endm

.macro RESTORE_AND_CONTINUE
    ldp     x19, x20, [sp, #0]
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    ldp     d8, d9, [sp, #96]
    ldp     d10, d11, [sp, #112]
    ldp     d12, d13, [sp, #128]
    ldp     d14, d15, [sp, #144]
    add     sp, sp, #176
    br      x30
.endm

// uint64_t netpoll_context_resume(void** from_sp [x0], void* to_sp [x1], uint64_t control_words [x2])
    HOT_CODE
    FUNCTION netpoll_context_resume
    SAVE_CALLEE_SAVED
    mov     x3, sp
    str     x3, [x0]
    mov     sp, x1
    ldr     x4, [sp, #160]
    cmp     x4, x2
    b.eq    1f
    msr     fpcr, x4
1:  RESTORE_AND_CONTINUE
    END_FUNCTION netpoll_context_resume

// void netpoll_context_suspend(void** from_sp [x0], void* to_sp [x1])
//
// Stores fpcr with its frame and hands it to the owner as the result of netpoll_context_resume (x0).
    FUNCTION netpoll_context_suspend
    SAVE_CALLEE_SAVED
    mrs     x4, fpcr
    str     x4, [sp, #160]
    mov     x3, sp
    str     x3, [x0]
    mov     sp, x1
    mov     x0, x4
    RESTORE_AND_CONTINUE
    END_FUNCTION netpoll_context_suspend

// First code on a new stack: entry in x19, its argument in x20. The frame chain and the unwind information end here.
    FUNCTION netpoll_context_entry
    .cfi_undefined x30
    mov     x29, xzr
    mov     x30, xzr
    mov     x0, x20
    blr     x19
    brk     #1
    END_FUNCTION netpoll_context_entry

    END_OF_CODE
