// Frame layout of a suspended flow: see Frame in context_x64.cc. The word below r15 holds the floating-point control
// words of a goroutine, and nothing of interest in an owner's frame.
//
// Of MXCSR only the control bits count. Its low six are the exceptions that happened so far, which the ABI lets a call
// destroy; the first inexact operation sets one for good, and with them compared every later switch would differ.
#define MXCSR_FLAGS 0x3f

#include "libruntime/context/context_function.S"

// $(8) and not $8, which the assembler of Mach-O takes for an argument of the macro.
.macro PUSH_CALLEE_SAVED
    pushq   %rbp
    .cfi_adjust_cfa_offset 8
    pushq   %rbx
    .cfi_adjust_cfa_offset 8
    pushq   %r12
    .cfi_adjust_cfa_offset 8
    pushq   %r13
    .cfi_adjust_cfa_offset 8
    pushq   %r14
    .cfi_adjust_cfa_offset 8
    pushq   %r15
    .cfi_adjust_cfa_offset 8
    subq    $(8), %rsp
    .cfi_adjust_cfa_offset 8
.endm

// Not `ret` at the end: the return stack of the branch predictor belongs to the flow that was left.
.macro POP_AND_CONTINUE
    addq    $(8), %rsp
    popq    %r15
    popq    %r14
    popq    %r13
    popq    %r12
    popq    %rbx
    popq    %rbp
    popq    %rcx
    jmp     *%rcx
.endm

// uint64_t netpoll_context_resume(void** from_sp [rdi], void* to_sp [rsi], uint64_t control_words [rdx])
    HOT_CODE
    FUNCTION netpoll_context_resume
    PUSH_CALLEE_SAVED
    movq    %rsp, (%rdi)
    movq    %rsi, %rsp
    // Loading a control word stalls the pipeline, and they nearly always agree: load only when something differs.
    cmpq    (%rsp), %rdx
    jne     1f
    POP_AND_CONTINUE
1:  ldmxcsr (%rsp)
    fldcw   4(%rsp)
    POP_AND_CONTINUE
    END_FUNCTION netpoll_context_resume

// void netpoll_context_suspend(void** from_sp [rdi], void* to_sp [rsi])
//
// Stores the control words with its frame and hands them to the owner as the result of netpoll_context_resume (rax).
    FUNCTION netpoll_context_suspend
    PUSH_CALLEE_SAVED
    stmxcsr (%rsp)
    fnstcw  4(%rsp)
    movl    (%rsp), %eax
    andl    $~MXCSR_FLAGS, %eax
    movzwl  4(%rsp), %edx
    shlq    $32, %rdx
    orq     %rdx, %rax
    // Once more, as one word: resume() compares it as one, and a load cannot be forwarded from two stores.
    movq    %rax, (%rsp)
    movq    %rsp, (%rdi)
    movq    %rsi, %rsp
    POP_AND_CONTINUE
    END_FUNCTION netpoll_context_suspend

// First code on a new stack: entry in rbx, its argument in r12. The frame chain and the unwind information end here.
    FUNCTION netpoll_context_entry
    .cfi_undefined rip
    xorl    %ebp, %ebp
    movq    %r12, %rdi
    callq   *%rbx
    ud2
    END_FUNCTION netpoll_context_entry

    END_OF_CODE
